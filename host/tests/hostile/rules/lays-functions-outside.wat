;; Has functions for places that its table does not have.
(core module $rule
  (import "base" "memory" (memory 1))
  (func $plain)
  (table 1 funcref)
  (elem (i32.const 9) $plain)
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
