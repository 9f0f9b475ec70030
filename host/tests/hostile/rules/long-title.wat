;; Returns a finding whose title has 301 bytes.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 260) "\00\10\00\00" "\2d\01\00\00")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) (memory.fill (i32.const 4096) (i32.const 120) (i32.const 301)) i32.const 512))
