;; Writes past the end of its memory.
(core module $rule
  (import "base" "memory" (memory 1))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) (i32.store (i32.const -4) (i32.const 1)) i32.const 512))
