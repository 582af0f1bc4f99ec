/* The drawn digits are no toy: a linear model (softmax regression, trained here by plain SGD)
 * learns something from them, but stays far below what a convolutional network reaches. */
#include "data/helper_loader.h"

#include <math.h>

#include "data/normalise.h"

enum { PIXELS = 784, CLASSES = 10, TRAINED = 20000, BATCH = 50, EPOCHS = 4 };

typedef struct softmax_model {
    float weight[CLASSES][PIXELS];
    float bias[CLASSES];
} softmax_model;

static void normalise_row(const co_pixel_map *map, const uint8_t *row, float *x)
{
    for (int i = 0; i < PIXELS; i++) {
        x[i] = (float)row[i] * map->scale[0] + map->shift[0];
    }
}

/* Returns the most probable class and writes the probabilities. */
static int predict(const softmax_model *model, const float *x, float *probability)
{
    int best = 0;
    float total = 0.0f;
    for (int c = 0; c < CLASSES; c++) {
        float sum = model->bias[c];
        for (int i = 0; i < PIXELS; i++) {
            sum += model->weight[c][i] * x[i];
        }
        probability[c] = sum;
        best = probability[c] > probability[best] ? c : best;
    }
    float top = probability[best];
    for (int c = 0; c < CLASSES; c++) {
        probability[c] = expf(probability[c] - top);
        total += probability[c];
    }
    for (int c = 0; c < CLASSES; c++) {
        probability[c] /= total;
    }
    return best;
}

static void train_batch(softmax_model *model, softmax_model *gradient, const co_pixel_map *map,
                        const co_batch *batch, float rate)
{
    float x[PIXELS];
    float probability[CLASSES];
    *gradient = (softmax_model){0};
    for (int row = 0; row < batch->rows; row++) {
        normalise_row(map, (const uint8_t *)batch->pixels + (size_t)row * PIXELS, x);
        (void)predict(model, x, probability);
        for (int c = 0; c < CLASSES; c++) {
            float error = probability[c] - (batch->labels[row] == c ? 1.0f : 0.0f);
            gradient->bias[c] += error;
            for (int i = 0; i < PIXELS; i++) {
                gradient->weight[c][i] += error * x[i];
            }
        }
    }
    float step = rate / (float)batch->rows;
    for (int c = 0; c < CLASSES; c++) {
        model->bias[c] -= step * gradient->bias[c];
        for (int i = 0; i < PIXELS; i++) {
            model->weight[c][i] -= step * gradient->weight[c][i];
        }
    }
}

static double accuracy(const softmax_model *model, co_dataset *set, const co_pixel_map *map)
{
    co_loader *loader = open_loader(set,
                                    &(co_loader_options){.split = CO_SPLIT_TEST, .batch = 100});
    int right = 0;
    int count = 0;
    for (uint32_t b = 0; b < co_loader_batches(loader); b++) {
        const co_batch *batch = next_batch(loader);
        for (int row = 0; row < batch->rows; row++, count++) {
            float x[PIXELS];
            float probability[CLASSES];
            normalise_row(map, (const uint8_t *)batch->pixels + (size_t)row * PIXELS, x);
            right += predict(model, x, probability) == batch->labels[row];
        }
    }
    co_loader_destroy(loader);
    return (double)right / count;
}

static void test_linear_model(void **state)
{
    (void)state;
    co_error err;
    co_pixel_map map;
    co_dataset *set = open_set("glyphs", NULL);
    assert_ok(co_normalise(set, CO_NORMALISE_GLOBAL, &map, &err), &err);
    uint32_t *indices = calloc(TRAINED, sizeof(uint32_t));
    softmax_model *weights = calloc(2, sizeof(softmax_model));
    assert_non_null(indices);
    assert_non_null(weights);
    for (uint32_t i = 0; i < TRAINED; i++) {
        indices[i] = i;
    }
    co_loader *loader = open_loader(
        set, &(co_loader_options){
                 .indices = indices, .count = TRAINED, .batch = BATCH, .shuffle = true, .seed = 1});
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (uint32_t b = 0; b < co_loader_batches(loader); b++) {
            train_batch(&weights[0], &weights[1], &map, next_batch(loader), 0.01f);
        }
    }
    double reached = accuracy(&weights[0], set, &map);
    print_message("linear model on glyphs: %.1f %% of the test images\n", 100.0 * reached);
    assert_true(reached > 0.5);
    assert_true(reached < 0.9);
    co_loader_destroy(loader);
    free(weights);
    free(indices);
    co_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_linear_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
