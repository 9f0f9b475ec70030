;; Has data for an address that its memory does not have.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 70000) "far")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
