"""Machine code for host memory: a formula becomes LLVM IR as text, explicit vectors, and runs at memory speed."""
