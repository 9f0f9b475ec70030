;; Measures in furlongs.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 304) "\00\10\00\00" "\08\00\00\00")
  (data (i32.const 4096) "furlongs")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
