;; Returns a finding whose texts are no UTF-8.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 4096) "\ff\fe\fd")
  (data (i32.const 260) "\00\10\00\00" "\03\00\00\00")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
