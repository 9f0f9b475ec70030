;; Needs 17 families.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 92) "\00\10\00\00" "\11\00\00\00")
  (func $lay
    (local $at i32)
    (local.set $at (i32.const 4096))
    (loop $next
      (i32.store (local.get $at) (i32.const 1024))
      (i32.store (i32.add (local.get $at) (i32.const 4)) (i32.const 7))
      (br_if $next (i32.ne (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 4232)))))
  (start $lay)
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
