;; Measured infinitely many seconds.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 288) "\00\00\00\00\00\00\f0\7f")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
