;; Found something about nothing.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 276) "\00\00\00\00")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
