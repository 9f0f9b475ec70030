;; Calls through a place that its table does not have.
(core module $rule
  (import "base" "memory" (memory 1))
  (type $none (func))
  (table 1 funcref)
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (call_indirect (type $none) (i32.const 1000000))
    i32.const 512))
