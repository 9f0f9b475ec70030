;; Calls itself without end.
(core module $rule
  (func (export "describe") (result i32) i32.const 64)
  (func $evaluate (export "evaluate") (result i32) (i32.add (call $evaluate) (i32.const 1))))
