;; Returns 65 findings, one more than are taken.
(core module $rule
  (import "base" "memory" (memory 1))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (local $at i32)
    (local.set $at (i32.const 4096))
    (loop $next
      (memory.copy (local.get $at) (i32.const 256) (i32.const 112))
      (br_if $next (i32.ne (local.tee $at (i32.add (local.get $at) (i32.const 112))) (i32.const 11376))))
    (i32.store (i32.const 520) (i32.const 4096))
    (i32.store (i32.const 524) (i32.const 65))
    i32.const 512))
