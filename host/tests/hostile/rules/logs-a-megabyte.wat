;; Logs a line of a megabyte.
(core module $rule
  (import "base" "memory" (memory 1))
  (import "kerno" "debug" (func $debug (param i32 i32)))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (drop (memory.grow (i32.const 20)))
    (memory.fill (i32.const 4096) (i32.const 120) (i32.const 1048576))
    (call $debug (i32.const 4096) (i32.const 1048576))
    i32.const 512))
