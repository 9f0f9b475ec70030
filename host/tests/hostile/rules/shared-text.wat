;; Returns 64 findings that all point to the same 32 KiB: 2 MiB once they are copied.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 312) "\00\80\00\00" "\00\80\00\00")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (local $at i32)
    (memory.fill (i32.const 32768) (i32.const 120) (i32.const 32768))
    (local.set $at (i32.const 4096))
    (loop $next
      (memory.copy (local.get $at) (i32.const 256) (i32.const 112))
      (br_if $next (i32.ne (local.tee $at (i32.add (local.get $at) (i32.const 112))) (i32.const 11264))))
    (i32.store (i32.const 520) (i32.const 4096))
    (i32.store (i32.const 524) (i32.const 64))
    i32.const 512))
