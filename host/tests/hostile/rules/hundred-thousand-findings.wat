;; Returns a hundred thousand complete findings.
(core module $rule
  (import "base" "memory" (memory 1))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (local $at i32) (local $left i32)
    (drop (memory.grow (i32.const 180)))
    (local.set $at (i32.const 4096))
    (local.set $left (i32.const 100000))
    (loop $next
      (memory.copy (local.get $at) (i32.const 256) (i32.const 112))
      (local.set $at (i32.add (local.get $at) (i32.const 112)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.store (i32.const 520) (i32.const 4096))
    (i32.store (i32.const 524) (i32.const 100000))
    i32.const 512))
