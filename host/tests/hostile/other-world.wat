;; A component of another world: exports a function that no rule has.
(component
  (core module $m (func (export "greet")))
  (core instance $i (instantiate $m))
  (func (export "greet") (canon lift (core func $i "greet"))))
