;; Declares that it cannot judge without `sched`.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 92) "\00\10\00\00" "\01\00\00\00")
  (data (i32.const 4096) "\08\10\00\00" "\05\00\00\00" "sched")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
