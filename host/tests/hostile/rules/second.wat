;; Does what it should: the other neighbour, `another`.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 1024) "another")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
