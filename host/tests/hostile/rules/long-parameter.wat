;; Asks for a parameter whose name has 1 MiB.
(core module $rule
  (import "base" "memory" (memory 1))
  (import "kerno" "get" (func $get (param i32 i32) (result f64)))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (drop (memory.grow (i32.const 20)))
    (memory.fill (i32.const 4096) (i32.const 120) (i32.const 1048576))
    (drop (call $get (i32.const 4096) (i32.const 1048576)))
    i32.const 512))
