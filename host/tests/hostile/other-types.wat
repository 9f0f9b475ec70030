;; Exports the right names with other types: `describe` returns a number.
(component
  (core module $m (func (export "f") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $f (result u32) (canon lift (core func $i "f")))
  (instance $guest (export "describe" (func $f)) (export "evaluate" (func $f)))
  (export "kerno:rules/guest@1.0.0" (instance $guest)))
