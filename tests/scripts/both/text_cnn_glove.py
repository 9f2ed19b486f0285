"""A text CNN over word vectors from a file in GloVe's format: filters of several widths, pooled over time, concatenated."""
import os
import numpy as np
from keras.preprocessing.text import Tokenizer
from keras.preprocessing.sequence import pad_sequences
from keras.utils import to_categorical
from keras.layers import Dense, Input, GlobalMaxPooling1D, SpatialDropout1D
from keras.layers import Conv1D, Embedding, Concatenate
from keras.models import Model
from sklearn.metrics import f1_score

EMBEDDING_DIM, MAX_SEQUENCE_LENGTH, MAX_NUM_WORDS = 12, 20, 60
subjects = {'space': 'orbit moon rocket launch planet', 'food': 'bread soup oven butter salt', 'sport': 'goal team ball match coach'}
rng = np.random.RandomState(0)
vocabulary = ' '.join(subjects.values()).split() + 'the a of and to it was in'.split()
with open('glove.6B.12d.txt', 'w') as f:
    for word in vocabulary:
        f.write(word + ' ' + ' '.join('%.4f' % v for v in rng.normal(size=EMBEDDING_DIM)) + '\n')
texts, labels, labels_index = [], [], {}
for name in sorted(subjects):
    labels_index[name] = label_id = len(labels_index)
    for _ in range(60):
        words = list(rng.choice(vocabulary[15:], rng.randint(6, 25))) + list(rng.choice(subjects[name].split(), 3))
        rng.shuffle(words)
        texts.append(' '.join(words).capitalize() + '!')
        labels.append(label_id)

embeddings_index = {}
with open(os.path.join('.', 'glove.6B.12d.txt')) as f:
    for line in f:
        values = line.split()
        embeddings_index[values[0]] = np.asarray(values[1:], dtype='float32')
tokenizer = Tokenizer(num_words=MAX_NUM_WORDS)
tokenizer.fit_on_texts(texts)
word_index = tokenizer.word_index
data = pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=MAX_SEQUENCE_LENGTH, padding='post', truncating='post')
labels = to_categorical(np.asarray(labels))
assert data.shape == (180, 20) and labels.shape == (180, 3)
indices = np.arange(data.shape[0])
rng.shuffle(indices)
data, labels = data[indices], labels[indices]
num_words = min(MAX_NUM_WORDS, len(word_index) + 1)
embedding_matrix = np.zeros((num_words, EMBEDDING_DIM))
for word, i in word_index.items():
    if i >= MAX_NUM_WORDS:
        continue
    embedding_vector = embeddings_index.get(word)
    if embedding_vector is not None:
        embedding_matrix[i] = embedding_vector
embedding_layer = Embedding(num_words, EMBEDDING_DIM, weights=[embedding_matrix], input_length=MAX_SEQUENCE_LENGTH, trainable=False)

sequence_input = Input(shape=(MAX_SEQUENCE_LENGTH,), dtype='int32')
embedded_sequences = SpatialDropout1D(0.1)(embedding_layer(sequence_input))
convs = []
for filter_size in [2, 3, 4]:
    l_conv = Conv1D(filters=8, kernel_size=filter_size, activation='relu')(embedded_sequences)
    convs.append(GlobalMaxPooling1D()(l_conv))
l_merge = Concatenate(axis=1)(convs)
preds = Dense(len(labels_index), activation='softmax')(l_merge)
model = Model(sequence_input, preds)
model.compile(loss='categorical_crossentropy', optimizer='rmsprop', metrics=['acc'])
model.optimizer.lr = 0.01
history = model.fit(data[:140], labels[:140], batch_size=16, epochs=12, validation_data=(data[140:], labels[140:]), verbose=0)
assert np.array_equal(embedding_layer.get_weights()[0], embedding_matrix.astype('float32'))
score = f1_score(labels[140:].argmax(1), model.predict(data[140:]).argmax(1), average='macro')
print(history.history['val_acc'], score)
assert history.history['val_acc'][-1] > 0.85 and score > 0.85
