;; Never stops writing to the log.
(core module $rule
  (import "kerno" "debug" (func $debug (param i32 i32)))
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32)
    (loop $forever (call $debug (i32.const 1024) (i32.const 7)) (br $forever))
    unreachable))
