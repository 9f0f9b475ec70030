;; Never gets past its start function.
(core module $rule
  (func $start (loop $forever (br $forever)))
  (start $start)
  (func (export "describe") (result i32) i32.const 64)
  (func (export "evaluate") (result i32) i32.const 512))
