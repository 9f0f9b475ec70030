;; Makes its table longer and longer, and panics when it gets no more.
(core module $rule
  (import "base" "memory" (memory 1))
  (table $table 1 funcref)
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (loop $more
      (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1))))
    unreachable
    i32.const 512))
