;; Needs a family that is called by a blank.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 92) "\00\10\00\00" "\01\00\00\00")
  (data (i32.const 4096) "\08\10\00\00" "\01\00\00\00" " ")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
