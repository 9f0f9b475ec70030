;; Fires when it is asked for the first time, and panics when it finds that it was asked before.
(core module $rule
  (import "base" "memory" (memory 1))
  (global $asked (mut i32) (i32.const 0))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (if (i32.or (global.get $asked) (i32.load (i32.const 4096))) (then unreachable))
    (global.set $asked (i32.const 1))
    (i32.store (i32.const 4096) (i32.const 1))
    i32.const 512))
