;; Asks for 1 GiB of memory to begin with.
(component
  (core module $m (memory 16384))
  (core instance (instantiate $m)))
