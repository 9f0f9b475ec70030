;; Has 65 parameters.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 100) "\00\10\00\00" "\41\00\00\00")
  (data (i32.const 1060) "\10\04\00\00" "\07\00\00\00" "\10\04\00\00" "\07\00\00\00")
  (func $lay
    (local $at i32)
    (local.set $at (i32.const 4096))
    (loop $next
      (memory.copy (local.get $at) (i32.const 1060) (i32.const 16))
      (br_if $next (i32.ne (local.tee $at (i32.add (local.get $at) (i32.const 32))) (i32.const 6176)))))
  (start $lay)
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
