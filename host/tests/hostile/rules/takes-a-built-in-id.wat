;; Calls itself `scheduler-contention`, as a built-in rule.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 64) "\00\10\00\00" "\14\00\00\00")
  (data (i32.const 4096) "scheduler-contention")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
