;; Copies beyond the end of its memory.
(core module $rule
  (import "base" "memory" (memory 1))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (memory.copy (i32.const 65000) (i32.const 0) (i32.const 60000))
    i32.const 512))
