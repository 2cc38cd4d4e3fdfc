;; An Extism plug-in that gives its input back, as one made with a plug-in development kit does: it reads the input into its own
;; memory, asks Extism for room, and writes the output there, eight bytes at a time. It parses nothing.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))

  ;; As much as a Rust plug-in has: its stack is 1 MiB.
  (memory (export "memory") 17)
  (global $buffer i32 (i32.const 1048576))

  (func $read (param $length i64)
    (local $at i64)
    (block $whole_words
      (loop $next
        (br_if $whole_words (i64.gt_u (i64.add (local.get $at) (i64.const 8)) (local.get $length)))
        (i64.store
          (i32.add (global.get $buffer) (i32.wrap_i64 (local.get $at)))
          (call $input_load_u64 (local.get $at)))
        (local.set $at (i64.add (local.get $at) (i64.const 8)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (local.get $length)))
        (i32.store8
          (i32.add (global.get $buffer) (i32.wrap_i64 (local.get $at)))
          (call $input_load_u8 (local.get $at)))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $next))))

  (func $write (param $length i64) (param $output i64)
    (local $at i64)
    (block $whole_words
      (loop $next
        (br_if $whole_words (i64.gt_u (i64.add (local.get $at) (i64.const 8)) (local.get $length)))
        (call $store_u64
          (i64.add (local.get $output) (local.get $at))
          (i64.load (i32.add (global.get $buffer) (i32.wrap_i64 (local.get $at)))))
        (local.set $at (i64.add (local.get $at) (i64.const 8)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (local.get $length)))
        (call $store_u8
          (i64.add (local.get $output) (local.get $at))
          (i32.load8_u (i32.add (global.get $buffer) (i32.wrap_i64 (local.get $at)))))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $next))))

  (func (export "echo") (result i32)
    (local $length i64) (local $output i64)
    (local.set $length (call $input_length))
    (call $read (local.get $length))
    (local.set $output (call $alloc (local.get $length)))
    (call $write (local.get $length) (local.get $output))
    (call $output_set (local.get $output) (local.get $length))
    (i32.const 0)))
