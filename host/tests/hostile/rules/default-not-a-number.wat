;; Has a parameter whose default is NaN.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 100) "\00\10\00\00" "\01\00\00\00")
  (data (i32.const 4096) "\10\04\00\00" "\07\00\00\00" "\10\04\00\00" "\07\00\00\00" "\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\f8\7f")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
