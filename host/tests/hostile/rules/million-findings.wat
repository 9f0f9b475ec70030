;; Says that it has a million findings, more than its memory can hold.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 524) "\40\42\0f\00")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
