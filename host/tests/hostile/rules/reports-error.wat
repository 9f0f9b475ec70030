;; Reports an error of its own, with a sequence that would colour a terminal.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 4096) "\01\00\00\00" "\10\10\00\00" "\12\00\00\00" "\00\00\00\00" "no \1b[31mthreshold\0a")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 4096))
