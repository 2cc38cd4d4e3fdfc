;; A program for WASI 0.1, by hand: opens `given` in the first folder that it has, prints it, reads clocks and random
;; bytes, asks for a descriptor that is not there, and ends with 0. Ends with 1 to 9 where something is not as it has to be.
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "given")
  (func $must (param $held i32) (param $else i32)
    (if (i32.eqz (local.get $held)) (then (call $proc_exit (local.get $else)) (unreachable))))
  (func (export "_start")
    (call $must (i32.eqz (call $fd_prestat_get (i32.const 3) (i32.const 32))) (i32.const 1))
    (call $must
      (i32.eqz (call $path_open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 5) (i32.const 0) (i64.const 2) (i64.const 0)
        (i32.const 0) (i32.const 0)))
      (i32.const 2))
    ;; A piece of memory to read into: 128, 64 bytes.
    (i32.store (i32.const 8) (i32.const 128))
    (i32.store (i32.const 12) (i32.const 64))
    (call $must (i32.eqz (call $fd_read (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 16))) (i32.const 3))
    (i32.store (i32.const 12) (i32.load (i32.const 16)))
    (call $must (i32.eqz (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))) (i32.const 4))
    (call $must (i32.eqz (call $fd_close (i32.load (i32.const 0)))) (i32.const 5))
    ;; 8 is "bad file descriptor".
    (call $must (i32.eq (call $fd_close (i32.const 99)) (i32.const 8)) (i32.const 6))
    (call $must (i32.eqz (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 24))) (i32.const 7))
    (call $must (i64.ne (i64.load (i32.const 24)) (i64.const 0)) (i32.const 8))
    (call $must (i32.eqz (call $random_get (i32.const 256) (i32.const 64))) (i32.const 9))
    (call $proc_exit (i32.const 0))))
