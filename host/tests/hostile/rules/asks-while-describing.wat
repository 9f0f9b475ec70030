;; Asks about the window before there is one.
(core module $rule
  (import "kerno" "window-seconds" (func $window-seconds (result f64)))
  (func (export "describe") (result i32) (drop (call $window-seconds)) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
