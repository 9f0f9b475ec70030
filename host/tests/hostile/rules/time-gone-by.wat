;; Foresees what was a second ago.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 344) "\01\00\00\00\00\00\00\00" "\00\00\00\00\00\00\f0\bf")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
