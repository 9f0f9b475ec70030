;; Divides by zero.
(core module $rule
  (import "base" "memory" (memory 1))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (drop (i32.div_u (i32.const 1) (i32.const 0)))
    i32.const 512))
