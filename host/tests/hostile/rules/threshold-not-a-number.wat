;; Has NaN for a threshold, with a payload.
(core module $rule
  (import "base" "memory" (memory 1))
  (data (i32.const 296) "\ef\be\ad\de\00\00\f4\ff")
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
