;; Asks for a parameter, `seconds`, that its description does not declare.
(core module $rule
  (import "kerno" "get" (func $get (param i32 i32) (result f64)))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) (drop (call $get (i32.const 1040) (i32.const 7))) i32.const 512))
