# The lane kernels are one source compiled once per instruction set (DESIGN section 5).
target_link_libraries(co_backend PUBLIC dnnl)
