# <build>/generated/co_build.h: what this build is made of, for `cohort doctor` and env.json.
# No time and no path: two builds of one commit are the same. The commit has a header of its
# own, looked at by every build and rewritten only when it changed.
set(CO_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)
set(CO_SANITIZED_01 0)
if(CO_SANITIZED)
    set(CO_SANITIZED_01 1)
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/co_build.h.in ${CO_GENERATED_DIR}/co_build.h @ONLY)

set(CO_COMMIT_COMMAND ${CMAKE_COMMAND} -D OUT=${CO_GENERATED_DIR}/co_commit.h
    -D SOURCE=${PROJECT_SOURCE_DIR} -P ${PROJECT_SOURCE_DIR}/cmake/commit.cmake)
execute_process(COMMAND ${CO_COMMIT_COMMAND}) # so that tools that do not build find it too
add_custom_target(co_commit COMMAND ${CO_COMMIT_COMMAND} BYPRODUCTS ${CO_GENERATED_DIR}/co_commit.h
                  COMMENT "Looking up the commit" VERBATIM)
