;; Loops as soon as it is instantiated: nothing of it can be asked.
(component
  (core module $m (func $start (loop br 0)) (start $start))
  (core instance (instantiate $m)))
