"""Stories and questions: a memory network with dot, softmax over time, add, Permute, concatenate."""
import re
from functools import reduce
import numpy as np
from keras.models import Sequential, Model
from keras.layers.embeddings import Embedding
from keras.layers import Input, Activation, Dense, Permute, Dropout
from keras.layers import add, dot, concatenate
from keras.layers import LSTM
from keras.preprocessing.sequence import pad_sequences


def tokenize(sent):
    return [x.strip() for x in re.split(r'(\W+)', sent) if x and x.strip()]


def get_stories(n, rng):
    people, places = ['Mary', 'John', 'Dan'], ['kitchen', 'garden', 'office', 'hall']
    stories = []
    for _ in range(n):
        moves = [(rng.choice(people), rng.choice(places)) for _ in range(3)]
        who, where = moves[rng.randint(3)]
        where = [place for name, place in moves if name == who][-1]
        story = ' '.join('%s went to the %s.' % move for move in moves)
        stories.append((tokenize(story), tokenize('Where is %s ?' % who), where))
    return stories


rng = np.random.RandomState(0)
train_stories, test_stories = get_stories(600, rng), get_stories(100, rng)
vocab = sorted(reduce(lambda x, y: x | y, (set(story + q + [answer]) for story, q, answer in train_stories + test_stories)))
vocab_size = len(vocab) + 1
story_maxlen = max(map(len, (x for x, _, _ in train_stories + test_stories)))
query_maxlen = max(map(len, (x for _, x, _ in train_stories + test_stories)))
word_idx = dict((c, i + 1) for i, c in enumerate(vocab))


def vectorize_stories(data):
    inputs, queries, answers = [], [], []
    for story, query, answer in data:
        inputs.append([word_idx[w] for w in story])
        queries.append([word_idx[w] for w in query])
        answers.append(word_idx[answer])
    return (pad_sequences(inputs, maxlen=story_maxlen), pad_sequences(queries, maxlen=query_maxlen), np.array(answers))


inputs_train, queries_train, answers_train = vectorize_stories(train_stories)
inputs_test, queries_test, answers_test = vectorize_stories(test_stories)
input_sequence = Input((story_maxlen,))
question = Input((query_maxlen,))
input_encoder_m = Sequential()
input_encoder_m.add(Embedding(input_dim=vocab_size, output_dim=32))
input_encoder_m.add(Dropout(0.1))
input_encoder_c = Sequential()
input_encoder_c.add(Embedding(input_dim=vocab_size, output_dim=query_maxlen))
input_encoder_c.add(Dropout(0.1))
question_encoder = Sequential()
question_encoder.add(Embedding(input_dim=vocab_size, output_dim=32, input_length=query_maxlen))
question_encoder.add(Dropout(0.1))
input_encoded_m, input_encoded_c = input_encoder_m(input_sequence), input_encoder_c(input_sequence)
question_encoded = question_encoder(question)
match = dot([input_encoded_m, question_encoded], axes=(2, 2))
match = Activation('softmax')(match)
response = add([match, input_encoded_c])
response = Permute((2, 1))(response)
assert response.shape[1:] == (query_maxlen, story_maxlen)
answer = concatenate([response, question_encoded])
answer = LSTM(24)(answer)
answer = Dropout(0.1)(answer)
answer = Dense(vocab_size)(answer)
answer = Activation('softmax')(answer)
model = Model([input_sequence, question], answer)
model.compile(optimizer='rmsprop', loss='sparse_categorical_crossentropy', metrics=['accuracy'])
model.optimizer.lr = 0.005
model.fit([inputs_train, queries_train], answers_train, batch_size=32, epochs=15, verbose=0)
accuracy = model.evaluate([inputs_test, queries_test], answers_test, verbose=0)[1]
print(accuracy)
assert accuracy > 0.35  # a fourth by chance
