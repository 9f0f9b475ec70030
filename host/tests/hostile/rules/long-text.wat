;; Returns a finding whose cause has 1 MiB.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 312) "\00\10\00\00" "\00\00\10\00")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (drop (memory.grow (i32.const 20)))
    (memory.fill (i32.const 4096) (i32.const 120) (i32.const 1048576))
    i32.const 512))
