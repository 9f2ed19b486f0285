"""Entity embeddings of a table's columns, together with its numbers, with pandas; inputs by dict, RMSPE as a metric."""
import numpy as np
import pandas as pd
from keras.layers import Input, Embedding, Reshape, Dense, Dropout, Concatenate, BatchNormalization, Activation
from keras.models import Model
from keras.callbacks import EarlyStopping, ReduceLROnPlateau
from keras import backend as K
from sklearn.preprocessing import LabelEncoder, StandardScaler

rng = np.random.RandomState(0)
n = 600
df = pd.DataFrame({'store': rng.choice(list('ABCDEFGH'), n), 'day': rng.choice(['mon', 'tue', 'sat', 'sun'], n),
                   'distance': rng.exponential(2., n), 'promo': rng.randint(0, 2, n)})
effect = df['store'].map({k: v for k, v in zip('ABCDEFGH', [1, 3, 2, 5, 4, 2, 6, 1])}) + df['day'].map({'mon': 0, 'tue': .5, 'sat': 2, 'sun': -1})
df['sales'] = 4 + effect + 1.5 * df['promo'] - 0.2 * df['distance'] + rng.normal(0, .1, n)
cat_cols, num_cols = ['store', 'day'], ['distance', 'promo']
for c in cat_cols:
    df[c] = LabelEncoder().fit_transform(df[c].values)
df[num_cols] = StandardScaler().fit_transform(df[num_cols])
train, valid = df[:480], df[480:]


def rmspe(y_true, y_pred):
    return K.sqrt(K.mean(K.square((y_true - y_pred) / K.clip(K.abs(y_true), K.epsilon(), None)), axis=-1))


input_models, output_embeddings = [], []
for c in cat_cols:
    no_of_unique_cat = df[c].nunique()
    embedding_size = int(min(np.ceil(no_of_unique_cat / 2), 50))
    input_model = Input(shape=(1,), name='input_' + c)
    output_model = Embedding(no_of_unique_cat, embedding_size, name=c + '_embedding')(input_model)
    output_model = Reshape(target_shape=(embedding_size,))(output_model)
    input_models.append(input_model)
    output_embeddings.append(output_model)
input_numeric = Input(shape=(len(num_cols),), name='input_numeric')
input_models.append(input_numeric)
output_embeddings.append(Dense(8)(input_numeric))
x = Concatenate()(output_embeddings)
x = Dense(32)(x)
x = BatchNormalization()(x)
x = Activation('relu')(x)
x = Dropout(0.05)(x)
x = Dense(1)(x)
model = Model(inputs=input_models, outputs=x)
model.compile(loss='mean_squared_error', optimizer='adam', metrics=[rmspe, 'mae'])
model.optimizer.lr = 0.01


def inputs(part):
    result = {'input_' + c: part[c] for c in cat_cols}
    result['input_numeric'] = part[num_cols].values
    return result


history = model.fit(inputs(train), train['sales'], validation_data=(inputs(valid), valid['sales']), epochs=30, batch_size=32, verbose=0,
                    callbacks=[EarlyStopping(monitor='val_rmspe', patience=12), ReduceLROnPlateau(monitor='val_loss', patience=4, min_lr=1e-4)])
print(min(history.history['val_rmspe']), history.history['lr'][-1])
assert min(history.history['val_rmspe']) < 0.08 and history.history['lr'][0] == np.float32(0.01)
assert model.get_layer('store_embedding').get_weights()[0].shape == (8, 4)
