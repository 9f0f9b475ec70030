;; Never says who it is.
(core module $rule
  (func (export "describe") (result i32) (loop $forever (br $forever)) unreachable)
  (func (export "evaluate") (result i32) i32.const 512))
