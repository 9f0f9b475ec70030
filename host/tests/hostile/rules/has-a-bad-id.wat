;; Calls itself `Hostile`: ids have no capitals.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 1024) "H")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
