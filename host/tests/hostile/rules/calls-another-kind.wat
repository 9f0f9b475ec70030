;; Calls a function through a table as one of another kind.
(core module $rule
  (import "base" "memory" (memory 1))
  (type $asks (func (param i64)))
  (func $plain)
  (table funcref (elem $plain))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (call_indirect (type $asks) (i64.const 7) (i32.const 0))
    i32.const 512))
