# The engines of src/comm: which library carries the messages between workers. Everything else is
# compiled once and linked to each program.
#   co_engine       Open MPI, or none (one worker only) where it is missing: program cohort
#   co_engine_sim   SimGrid, where it was found: program cohort-sim, run by smpirun
file(GLOB CO_ENGINE_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/comm/mpi/*.c)

function(co_engine NAME)
    add_library(${NAME} STATIC ${ARGN})
    target_link_libraries(${NAME} PUBLIC co_comm)
endfunction()

if(MPI_C_FOUND)
    co_engine(co_engine ${CO_ENGINE_SOURCES})
    target_include_directories(co_engine SYSTEM PRIVATE ${MPI_C_INCLUDE_DIRS})
    target_link_libraries(co_engine PUBLIC MPI::MPI_C)
else()
    co_engine(co_engine ${PROJECT_SOURCE_DIR}/src/comm/none/none.c)
endif()

# What smpicc does: its header replaces sleep, clock_gettime and the like. The program is a shared
# object that SimGrid's own main loads.
if(CO_SIMGRID)
    co_engine(co_engine_sim ${CO_ENGINE_SOURCES})
    target_compile_definitions(co_engine_sim PRIVATE CO_COMM_SIM SMPI_NO_OVERRIDE_MALLOC)
    target_compile_options(co_engine_sim PRIVATE -include smpi/smpi_helpers.h)
    target_include_directories(co_engine_sim SYSTEM PRIVATE ${SIMGRID_INCLUDE_DIR}
                               ${SIMGRID_INCLUDE_DIR}/smpi)
    target_link_libraries(co_engine_sim PUBLIC ${SIMGRID_LIBRARY})
endif()

# co_program(NAME ENGINE sources...): a program of that engine; LIBRARIES in front of the engine.
function(co_program NAME ENGINE)
    cmake_parse_arguments(PROGRAM "" "" "SOURCES;LIBRARIES" ${ARGN})
    if(ENGINE STREQUAL "co_engine_sim")
        add_library(${NAME} MODULE ${PROGRAM_SOURCES})
        set_target_properties(${NAME} PROPERTIES PREFIX "" SUFFIX "")
        target_link_options(${NAME} PRIVATE -Wl,-z,defs)
    else()
        add_executable(${NAME} ${PROGRAM_SOURCES})
    endif()
    target_link_libraries(${NAME} PRIVATE ${PROGRAM_LIBRARIES} ${ENGINE})
endfunction()
