;; Answers with a case that the contract does not have.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 516) "\09")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
