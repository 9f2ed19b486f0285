"""Word vectors by skipgrams with negative samples: two words, one Embedding, a dot product."""
import numpy as np
from keras.layers import Input, Dense, Reshape, dot
from keras.layers.embeddings import Embedding
from keras.models import Model
from keras.preprocessing import sequence, text

corpus = ['the %s eats %s in the %s' % (a, b, c) for a in ('cat', 'dog', 'cow') for b in ('meat', 'grass', 'fish') for c in ('house', 'yard')]
corpus += ['a %s flies over %s near %s' % (a, b, c) for a in ('plane', 'jet', 'kite') for b in ('sea', 'land', 'town') for c in ('clouds', 'hills')]
tokenizer = text.Tokenizer()
tokenizer.fit_on_texts(corpus)
word2id = tokenizer.word_index
vocab_size, vector_dim = len(word2id) + 1, 12
sampling_table = sequence.make_sampling_table(vocab_size)
assert sampling_table.shape == (vocab_size,)
couples, labels = [], []
for wids in tokenizer.texts_to_sequences(corpus):
    pairs, is_context = sequence.skipgrams(wids, vocabulary_size=vocab_size, window_size=5, negative_samples=1.0)
    couples += pairs
    labels += is_context
word_target, word_context = np.array(couples).T
assert abs(np.mean(labels) - 0.5) < 0.01

input_target, input_context = Input((1,)), Input((1,))
embedding = Embedding(vocab_size, vector_dim, input_length=1, name='embedding')
target, context = Reshape((vector_dim, 1))(embedding(input_target)), Reshape((vector_dim, 1))(embedding(input_context))
similarity = dot([target, context], axes=1, normalize=True)
dot_product = Reshape((1,))(dot([target, context], axes=1))
output = Dense(1, activation='sigmoid')(dot_product)
model = Model(inputs=[input_target, input_context], outputs=output)
model.compile(loss='binary_crossentropy', optimizer='rmsprop')
validation_model = Model(inputs=[input_target, input_context], outputs=similarity)
history = model.fit([word_target, word_context], np.array(labels), batch_size=32, epochs=20, verbose=0)


def sim(a, b):
    return validation_model.predict([np.array([[word2id[a]]]), np.array([[word2id[b]]])]).item()


same, other = np.mean([sim('cat', 'dog'), sim('cow', 'house'), sim('plane', 'jet')]), np.mean([sim('cat', 'jet'), sim('cow', 'hills'), sim('kite', 'meat')])
print(history.history['loss'][-1], same, other)
vectors = model.get_layer('embedding').get_weights()[0]
a, b = vectors[word2id['cat']], vectors[word2id['dog']]
assert abs(sim('cat', 'dog') - a.dot(b) / np.linalg.norm(a) / np.linalg.norm(b)) < 1e-5
assert same > 0.5 and same > other + 0.3
